"""Grades a convolutional-network lab without trusting the student's process."""

__version__ = "0.1.0"
