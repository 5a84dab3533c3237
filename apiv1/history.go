package apiv1

// HistoryOptions are the query parameters of GET /v1/history and, but for Host, of
// GET /v1/hosts/{name}/history.
type HistoryOptions struct {
	Host   string // its name or one of its MAC addresses; empty for all
	Since  string // RFC 3339, or a time before now such as 24h or 7d; empty for the beginning
	Actor  string // empty for all
	Before int64  // earlier entries than that one; 0 for all
	Limit  int    // at most so many entries; 0 for the server's choice
}

// History is the answer of GET /v1/history and GET /v1/hosts/{name}/history: the
// latest entry first.
type History struct {
	Entries []Entry `json:"entries"`
	Earlier bool    `json:"earlier"` // there are more before the last of these
}

// Entry is one thing that happened to hosts, or to what they boot. It is the
// answer of GET /v1/history/{id}.
type Entry struct {
	ID            int64    `json:"id"`
	At            string   `json:"at"`                      // RFC 3339, UTC
	What          string   `json:"what"`                    // deploy, clear, repair, undo, done, timeout, hand, content, ...
	Actor         string   `json:"actor"`                   // api, timer, hand, or "host h1" for a machine that speaks for itself
	From          string   `json:"from,omitempty"`          // address that it came from
	Configuration string   `json:"configuration,omitempty"` // that it is about
	Why           string   `json:"why,omitempty"`
	Result        string   `json:"result"` // done, not done, unclear or under way
	Error         string   `json:"error,omitempty"`
	Undoes        int64    `json:"undoes,omitempty"` // the entry that an undo is of
	Loud          bool     `json:"loud,omitempty"`   // somebody should look
	Log           string   `json:"log,omitempty"`    // that a machine sent; not in lists
	Count         int      `json:"count"`            // of the hosts that it is about
	Hosts         []Switch `json:"hosts"`            // in lists the first few
}

// Switch is what an entry did to one host.
type Switch struct {
	Host   string   `json:"host"`
	Before Boot     `json:"before"`
	After  Boot     `json:"after"`
	Result string   `json:"result,omitempty"` // where it is not that of the entry
	Armed  *OneShot `json:"armed,omitempty"`  // that begins with it
	Ended  *OneShot `json:"ended,omitempty"`  // that ends with it
}

// Boot is what the links of a host said.
type Boot struct {
	State         string `json:"state"`
	Configuration string `json:"configuration,omitempty"`
}

// Undo is the body of PUT /v1/undo.
type Undo struct {
	ID     int64  `json:"id,omitempty"`   // of the entry; 0 for the latest that changed what the host, or any, boots
	Host   string `json:"host,omitempty"` // only this one; its name or one of its MAC addresses
	Force  bool   `json:"force,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"` // answer the plan, change nothing
}
