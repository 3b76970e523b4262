-- Purpose: the key of stored lists begins with the user. Within a model's partition all model_ids are equal, so that sorting for the key
-- compared them in vain, and a user's rows are found without naming a model. Lock: predictions, against everything. Time: about a second
-- for each 2 million stored rows.

alter table predictions
  drop constraint predictions_pkey,
  add primary key (user_id, rank, model_id);
