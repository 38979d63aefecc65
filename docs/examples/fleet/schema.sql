-- One row for each visit: the content of a "left" event. See docs/fleet.md.
create table if not exists visit (
    device text not null,
    -- The daemon's run and the event's number in it. Together they identify a visit, even if delivered twice.
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
