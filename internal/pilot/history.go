package pilot

import (
	"context"

	"github.com/pxe-pilot/pxe-pilot"
)

// History tells what happened, the latest first. A host may be asked for by one of
// its MAC addresses, and by its name also where it is no longer in the file.
func (p *Pilot) History(ctx context.Context, q pxepilot.Question) ([]pxepilot.Entry, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	if q.Most < 0 || q.Before < 0 || q.ID < 0 || q.Hosts < 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "a number in what is asked of the history is below zero")
	}
	var unknown error
	if q.Host != "" {
		h, err := findHost(p.site().Inventory, q.Host)
		switch {
		case err == nil:
			q.Host = h.Name
		case pxepilot.ErrorCode(err) != pxepilot.NotFound:
			return nil, err
		}
		unknown = err
	}
	entries, err := p.book.journal.Entries(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case len(entries) > 0:
		return entries, nil
	case q.ID != 0:
		return nil, noEntry(q.ID)
	}
	return nil, unknown
}

var errNoJournal = pxepilot.Errorf(pxepilot.Unavailable, "this server keeps no journal")

func noEntry(id int64) error {
	return pxepilot.Errorf(pxepilot.NotFound, "the journal has no entry %d; 'pxe-pilot history' lists them", id)
}

// cameOf is the result of one host of an entry.
func cameOf(e *pxepilot.Entry, s *pxepilot.Switch) pxepilot.Result {
	if s.Result != "" {
		return s.Result
	}
	return e.Result
}

// switched says whether an entry changed what a host boots.
func switched(e *pxepilot.Entry, s *pxepilot.Switch) bool {
	switch e.What {
	case pxepilot.Deployed, pxepilot.Cleared, pxepilot.Repaired, pxepilot.Finished, pxepilot.TimedOut,
		pxepilot.PutBack, pxepilot.Undone, pxepilot.ByHand:
		return cameOf(e, s) == pxepilot.Done && !alike(s.Before, s.After)
	}
	return false
}
