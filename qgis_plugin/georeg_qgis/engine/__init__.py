"""The engine, another process: found, started, listened to, stopped. Qt-free, and tested so."""
