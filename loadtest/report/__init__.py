"""What a load run showed: its verdict, figures, charts and witnesses on one page and as JSON."""
