"""The one seam to vendors' hosts: requests with deadlines and bounds, budgets, retries, grants, and answers as classes of errors."""
