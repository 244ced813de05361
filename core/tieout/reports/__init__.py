"""Reports: questions to the books with their proof: query, parameters, row count, control totals, dates, policy versions."""
