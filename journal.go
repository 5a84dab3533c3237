package pxepilot

import "time"

// An Entry of the journal is one thing that happened to hosts, or to what they
// boot.
type Entry struct {
	ID     int64 // rising; 0 until it is written
	At     time.Time
	What   What
	Actor  string // who: "api", "timer", "hand", or "host h1" for a machine that speaks for itself
	From   string // address that it came from; empty for what the server did by itself
	Of     string // the configuration that it is about; empty for none
	Why    string // a sentence where What does not say it all
	Result Result
	Error  string   // a sentence, where Result is not Done
	Undoes int64    // the entry that an undo is of
	Loud   bool     // somebody should look
	Log    string   // that a machine sent with it, up to MaxFailureLog bytes; only read when the entry is asked for by its ID
	Count  int      // of the hosts that it is about
	Hosts  []Switch // all of them, unless fewer were asked for
}

// What happened.
type What string

// The kinds of entries.
const (
	Deployed  What = "deploy"
	Cleared   What = "clear"
	Repaired  What = "repair"
	Finished  What = "done"      // an installer said that it is done
	Failed    What = "failed"    // an installer said that it is not
	TimedOut  What = "timeout"   // an armed host's time was over
	PutBack   What = "put back"  // for the power of a one-shot could not be driven
	Undone    What = "undo"      //
	ByHand    What = "hand"      // links were changed by somebody else
	Content   What = "content"   // the content of a configuration changed
	Suspended What = "suspended" // an armed host is no longer in the file, or another machine
	Resumed   What = "resumed"
	Disarmed  What = "disarm"  // what an armed host boots is meant for good now
	Refused   What = "refused" // a callback that changes nothing, such as one of a stale generation
)

// Result is what came of an entry.
type Result string

// The results.
const (
	UnderWay Result = ""         // intended; nothing else is known yet
	Done     Result = "done"     //
	NotDone  Result = "not done" // nothing changed
	Unclear  Result = "unclear"  // hosts tell for themselves
)

// A Switch is what became of one host.
type Switch struct {
	Host   string
	Before Boot
	After  Boot
	Result Result  // where it is not the entry's
	Armed  *Arming // that begins with it; nil for none
	Ended  *Arming // that ends with it; nil for none, and in intents
}

// A Boot is what the links of a host said.
type Boot struct {
	State         State
	Configuration string // that all links agree on that lead to any
	Digest        string // of the texts of all links; empty in intents
}

// A Record is what is written to the journal at once: all of it, durably, or
// nothing. An arming, or the failure in it, that names no entry yet gets the one of
// New by which its generation began, or that tells of the failure of its host.
type Record struct {
	New      []*Entry // get their IDs
	Finished []*Entry // were written before, about the same hosts, and have a result now
	Armed    []Arming // new ones, and those that changed; one a host
	Disarmed []string // hosts; of one that is armed anew in the same record the old arming goes
	Ended    []Ended  // one a host; the one before goes
	// Generation is the last one that was given to an arming; 0 for none.
	Generation uint64
	Known      map[string]Boot   // last known state, by host; a zero Boot removes
	Contents   map[string]string // digest by configuration and loader ("name\x00loader"); empty removes
}

// Memory is what the journal knows when the server starts.
type Memory struct {
	Generation uint64 // the last one
	UnderWay   []*Entry
	Armings    []Arming
	Ended      []Ended // the last of each host
	Known      map[string]Boot
	Contents   map[string]string
}

// A Question asks for entries, the latest first.
type Question struct {
	Host   string    // empty for all
	Actor  string    // empty for all
	Since  time.Time // zero for the beginning
	Before int64     // IDs below only, for paging; 0 for all
	ID     int64     // this one only, with its log; 0 for all
	Most   int       // at most so many; 0 for all
	Hosts  int       // of each entry at most so many, with Host first; 0 for all
}
