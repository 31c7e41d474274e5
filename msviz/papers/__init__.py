"""The five papers, figure by figure: one file a paper lists which view draws each of its pictures live."""
