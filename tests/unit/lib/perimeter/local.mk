# tests of lib/perimeter
