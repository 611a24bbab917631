# lib/perimeter
