"""Files that come over HTTP: tables are kept, campaign files planned or submitted. The same again changes nothing."""
