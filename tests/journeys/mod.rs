//! What people do with lacre, from outside: over HTTP, against the real program.

mod restart;
