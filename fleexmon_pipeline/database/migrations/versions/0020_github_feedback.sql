-- Until when it is known what people did to our issues on GitHub. One row per repository.
CREATE TABLE "GitHubPoll" (
  repository VARCHAR PRIMARY KEY,
  "polledAt" TIMESTAMP NOT NULL
);
