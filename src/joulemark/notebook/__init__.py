"""What notebooks show: readings and runs as tables of pandas, the energy card as a block of HTML."""
