"""One pass over one account: plan (pure), fetch, take in, advance the cursor."""
