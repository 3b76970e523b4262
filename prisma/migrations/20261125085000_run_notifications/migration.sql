-- Purpose: every change of a run is told to whoever listens on the channel marquee_runs, by the run's id, so that any replica of the API
-- can follow a run that any worker trains. Lock: training_runs, exclusively. Time: milliseconds, no row is written.

create function tell_run() returns trigger language plpgsql as $$
begin
  perform pg_notify('marquee_runs', new.id::text);
  return null;
end
$$;

-- A beat alone, which changes only heartbeat_at, is not told.
create trigger tell_run
after insert or update of status, progress, engine, checkpoint on training_runs
for each row execute function tell_run();
