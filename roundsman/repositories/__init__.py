"""The store: engine, tables and one repository an aggregate. Record types live with their repository."""
