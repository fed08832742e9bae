"""The stages through which news passes on its way to the outbox, one pure function a file.

    route -> inhibit -> silence -> quiet -> dedup -> group

Each takes parcels and gives parcels. What has to be known of the store is read before, by the pipeline, so that a stage
can be tried out with plain values, and so that a transaction of two hundred alerts costs a few statements.
"""
