"""What several questions share: options, words, cells, samples of a kind."""
