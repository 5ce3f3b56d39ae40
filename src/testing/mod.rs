//! A development authorization server, a token mint and a clock to set.
