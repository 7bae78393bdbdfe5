//! The files in `deploy/`: what is made of the rules is up to date, and what is not is sound.
