package apiv1

// Arming says that what a host boots now is meant once. It is part of Host, and
// GET /v1/armings lists all.
type Arming struct {
	Name          string   `json:"name,omitempty"` // of the host, in lists
	Generation    uint64   `json:"generation"`     // counts the armings of the site; 0 in a dry run
	Entry         int64    `json:"entry,omitempty"`
	Configuration string   `json:"configuration"`       // that it installs by
	Then          string   `json:"then"`                // that it is switched to
	Armed         string   `json:"armed"`               // RFC 3339, UTC
	Until         string   `json:"until"`               // RFC 3339, UTC: when its time is over, as the server's clock stands now
	OnTimeout     string   `json:"onTimeout"`           // switch or keep
	Suspended     string   `json:"suspended,omitempty"` // why it waits for somebody to mend the file
	Failure       *Failure `json:"failure,omitempty"`   // of its installer
	Finished      string   `json:"finished,omitempty"`  // RFC 3339, UTC: when its installer was done, where the host could not be switched yet
}

// Failure is what an installer said.
type Failure struct {
	At     string `json:"at"` // RFC 3339, UTC
	Reason string `json:"reason"`
	Entry  int64  `json:"entry,omitempty"` // of the history, which has the log
}

// Armings is the answer of GET /v1/armings, and of PUT /v1/disarm those that ended.
type Armings struct {
	Armings []Arming `json:"armings"` // by name
}

// OneShot is an arming that begins or ends with an entry of the history.
type OneShot struct {
	Generation uint64 `json:"generation"`
	Then       string `json:"then"`
}

// Disarm is the body of PUT /v1/disarm.
type Disarm struct {
	Hosts []HostRef `json:"hosts"` // also one that is no longer in the file, by its name
}

// Self is the answer of GET /v1/self and of the callbacks: what a machine needs to
// know of itself, flat, for those that have no JSON.
type Self struct {
	Name          string `json:"name"`
	Configuration string `json:"configuration"` // empty unless State is "configured"
	State         string `json:"state"`
	Generation    uint64 `json:"generation,omitempty"` // absent where it is not armed, as the next two are
	Then          string `json:"then,omitempty"`
	ArmedUntil    string `json:"armedUntil,omitempty"` // RFC 3339, UTC
}

// SelfOptions are the query parameters of the calls that machines make for
// themselves.
type SelfOptions struct {
	Host       string // name or MAC address; empty for the machine at the other end of the connection
	Generation uint64 // only if it is the current one; 0 for whichever is
}
