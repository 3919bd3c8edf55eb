"""What the widgets are made of: forms, boxes, layers and planes, runs, results."""
