//! The words spoken to the outside: signalling messages, REST bodies, error codes.
