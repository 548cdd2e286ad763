//! The doors: protoo over WebSocket, HTTP status endpoints, the web page.
