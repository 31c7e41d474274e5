"""The form of the Train page: what is changed lives in the link, and every part reads it there."""
