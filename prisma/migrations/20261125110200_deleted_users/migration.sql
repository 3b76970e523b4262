-- Purpose: rows of the user embedding that belonged to deleted users are never given out again. Locks: none. Time: none to speak of.

create table deleted_user_rows (
  idx int primary key
);
comment on table deleted_user_rows is 'The row alone, not whose it was: models that were trained with it are still there.';
