//! Configuration: flags over environment over file, resolved once.
