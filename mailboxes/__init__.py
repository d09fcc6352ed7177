"""What the product is about: messages in, leads and cases, messages out."""
