-- Until when GitHub asked to wait, apart from our own delays: those end when a person materializes an alert or a digest.
ALTER TABLE "Outbox" ADD COLUMN "heldUntil" TIMESTAMP;
