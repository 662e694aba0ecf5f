"""The kinds of personal data, as kernels that read bytes: addresses, numbers with check digits, phones."""
