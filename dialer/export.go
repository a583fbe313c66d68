package dialer

// ExportRequest asks for users in a file.
type ExportRequest struct {
	Format  string  // csv or json
	Query   Query   // whom
	Columns []Field // nil is all that can be exported
	Filter  string  // the query in words, for the activity log
	Reason  string  // why, in a person's words
	Actor   Actor
}
