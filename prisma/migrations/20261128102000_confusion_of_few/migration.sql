-- Purpose: the view confusion gives a null share for a star that no test rating has, instead of an error for all rows. Lock: the view,
-- against readers, for a moment.

create or replace view confusion as
select run_id, actual, predicted, ratings,
  ratings::numeric / nullif(sum(ratings) over (partition by run_id, actual), 0) as share_of_actual
from confusion_cells;
