# tests of nodeagent
