"""What is kept per account: its credentials, its token, its webhook."""
