"""FER+ faces and votes, and the faces as a poor camera shows them."""
