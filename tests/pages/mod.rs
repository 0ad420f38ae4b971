//! The pages of the documentation, held to what the program does.

mod embed;
