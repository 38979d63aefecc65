-- One row for each visit: what an event "left" says. See docs/fleet.md.
create table if not exists visit (
    device text not null,
    -- The run of the daemon, and its number of the event: together they name a visit, however often it is delivered.
    boot text not null,
    seq bigint not null,
    ended timestamptz not null,
    seconds real not null,
    attended_s real not null,
    smiled_s real not null,
    -- Share of the time by category.
    shares jsonb not null,
    -- Means from -1 to 1; null if the face was never classified.
    valence real,
    arousal real,
    primary key (device, boot, seq)
);

create index if not exists visit_ended on visit using brin (ended);
