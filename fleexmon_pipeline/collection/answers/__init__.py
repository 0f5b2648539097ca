"""A node's answer becomes records: where each begins and ends, in whatever form it comes."""
