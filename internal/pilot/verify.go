package pilot

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/pxe-pilot/pxe-pilot"
)

// Files are those of the TFTP root, as a TFTP server would give them.
type Files interface {
	Open(ctx context.Context, path string) (*pxepilot.File, error)
	// OpenClosed is Open for what is closed to others as well.
	OpenClosed(ctx context.Context, path string) (*pxepilot.File, error)
}

// checkServers says what to do where there is no TFTP server to ask.
func checkServers(site *Site) error {
	if len(site.Servers) > 0 {
		return nil
	}
	return pxepilot.Errorf(pxepilot.Conflict, "what machines get cannot be verified: no TFTP server is known to ask; "+
		"set tftp.address in the configuration file, or do without verifying")
}

// verify says whether a change is to be verified. Whoever asks for it is told
// before anything is switched that it cannot be.
func (c *Change) verify(site *Site) (bool, error) {
	asked := c.Verify != nil && *c.Verify
	switch {
	case asked && c.Want != pxepilot.Deploy:
		return false, pxepilot.Errorf(pxepilot.Invalid, "only a deploy is verified")
	case c.Want != pxepilot.Deploy || c.Verify != nil && !asked || c.Verify == nil && !site.Verify:
		return false, nil
	}
	return true, checkServers(site)
}

// verify notes in the results of a deploy which hosts would not boot what was
// deployed, as far as the TFTP servers and the names go that loaders ask for.
func (p *Pilot) verify(ctx context.Context, site *Site, hosts []*pxepilot.Host, deployed pxepilot.Configuration, results []Result) {
	var switched []*pxepilot.Host
	var of []*Result
	for i, h := range hosts { // in the order of results
		if results[i].Refused == nil {
			switched, of = append(switched, h), append(of, &results[i])
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.timing.Verification)
	defer cancel()
	explained, err := verified(ctx, site, switched)
	for i, r := range of {
		r.Verified = true
		if err != nil {
			r.Unserved = err
		} else {
			r.Unserved, r.Warnings = unserved(&explained[i], deployed), warnings(&explained[i])
		}
	}
}

// warnings are what may change what a host gets and is not known here.
func warnings(e *pxepilot.Explanation) []string {
	var list []string
	for _, s := range e.Searches {
		for _, w := range s.Warnings {
			if !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	return list
}

// unserved says why a host does not get what was deployed from each of the
// servers, or nil.
func unserved(e *pxepilot.Explanation, deployed pxepilot.Configuration) error {
	var reasons []string
	tell := func(format string, args ...any) {
		if r := fmt.Sprintf(format, args...); !slices.Contains(reasons, r) {
			reasons = append(reasons, r)
		}
	}
	for _, s := range e.Searches {
		if (s.Unsure || s.Configuration != deployed.Name) && deployed.Covers(s.Bootloader) {
			switch {
			case len(s.Reasons) > 0:
				tell("%s", s.Reasons[0])
			case s.Configuration != "":
				tell("%s boots %s by %s now", s.MAC, pxepilot.Quote(s.Configuration), s.Bootloader)
			default:
				tell("%s gets no configuration by %s now", s.MAC, s.Bootloader)
			}
		}
		for _, v := range s.Servers {
			switch {
			case v.Err != nil:
				tell("%s", pxepilot.ErrorMessage(v.Err))
			case !v.Served:
				tell("%s gives %s %s", v.Server, s.MAC, v.Got)
			}
		}
	}
	switch len(reasons) {
	case 0:
		return nil
	case 1:
		return pxepilot.Errorf(pxepilot.Conflict, "%s", reasons[0])
	}
	return pxepilot.Errorf(pxepilot.Conflict, "%s; and %d more, which 'pxe-pilot host explain %s --verify' tells", reasons[0], len(reasons)-1, pxepilot.ShellWord(e.Status.Host.Name))
}

// verified explains hosts, and asks every TFTP server for what they ask for.
func verified(ctx context.Context, site *Site, hosts []*pxepilot.Host) ([]pxepilot.Explanation, error) {
	explained, err := site.Explainer.Explain(ctx, site.Inventory, hosts)
	if err != nil {
		return nil, err
	}
	polls := make([]*poll, len(site.Servers))
	for i, s := range site.Servers {
		polls[i] = &poll{server: s, files: site.Files}
	}
	seen := explained // on the disk, before servers were asked
	explained = slices.Clone(explained)
	ask(ctx, polls, explained)

	at := make([]int, len(hosts)) // of those that are in doubt
	for i := range at {
		at[i] = i
	}
	for range looks {
		// Where a switch came in between, a server seems to be behind: look once more.
		at = slices.DeleteFunc(at, func(i int) bool { return !differs(&explained[i]) })
		doubtful := make([]*pxepilot.Host, len(at))
		for n, i := range at {
			doubtful[n] = hosts[i]
		}
		if len(doubtful) == 0 {
			break
		}
		fresh, err := site.Explainer.Explain(ctx, site.Inventory, doubtful)
		if err != nil {
			break // what was seen, was seen
		}
		var switched []pxepilot.Explanation
		var of []int
		for n, i := range at {
			if !sameEnds(&fresh[n], &seen[i]) {
				switched, of = append(switched, fresh[n]), append(of, i)
			}
		}
		again := slices.Clone(switched)
		ask(ctx, polls, again)
		for n, i := range of {
			seen[i], explained[i] = switched[n], again[n]
		}
		at = of
	}
	return explained, nil
}

// looks is how often it is looked once more for a host that others switch all the
// time.
const looks = 10

// hope asks once more for what was deployed where the disk lets one fear that no
// server gives it. Where every server does, that counts for more.
func hope(ctx context.Context, polls []*poll, explained []pxepilot.Explanation) {
	var feared, hoped []*pxepilot.Search
	for i := range explained {
		e := &explained[i]
		for j := range e.Searches {
			s := &e.Searches[j]
			own := slices.IndexFunc(s.Asks, func(a pxepilot.Ask) bool {
				return !a.Unknown && a.Found == pxepilot.Unreadable && a.Configuration != "" && a.Configuration == e.Status.Configuration
			})
			if own >= 0 && s.Configuration != e.Status.Configuration {
				better := *s
				better.Wins, better.Configuration, better.Content = own, e.Status.Configuration, ""
				feared, hoped = append(feared, s), append(hoped, &better)
			}
		}
	}
	askFor(ctx, polls, hoped)
	for i, s := range hoped {
		if !served(s) {
			continue
		}
		if text, err := polls[0].read(ctx, s.Asks[s.Wins].Path); err == nil && len(text) <= mostShown && utf8.Valid(text) {
			s.Content = string(text)
		}
		s.Reasons, s.Warnings = nil, slices.Clone(s.Warnings)
		for _, r := range feared[i].Reasons {
			s.Warnings = append(s.Warnings, "every TFTP server gives it by now, though the disk lets one fear otherwise: "+r)
		}
		*feared[i] = *s
	}
}

// mostShown is the most that is shown of a content.
const mostShown = 1 << 20

// served says whether every server gives what wins.
func served(s *pxepilot.Search) bool {
	return len(s.Servers) > 0 && !slices.ContainsFunc(s.Servers, func(v pxepilot.Verification) bool { return !v.Served })
}

// sameEnds says whether two looks at a host found the same at the end of each
// search.
func sameEnds(a, b *pxepilot.Explanation) bool {
	return slices.EqualFunc(a.Searches, b.Searches, func(s, t pxepilot.Search) bool {
		return s.Wins == t.Wins && s.Configuration == t.Configuration && s.Content == t.Content &&
			(s.Wins < 0 || slices.Equal(s.Asks[s.Wins].Through, t.Asks[t.Wins].Through))
	})
}

// differs says whether a server that answers gave something else than the disk
// has.
func differs(e *pxepilot.Explanation) bool {
	return slices.ContainsFunc(e.Searches, func(s pxepilot.Search) bool {
		return slices.ContainsFunc(s.Servers, func(v pxepilot.Verification) bool { return !v.Served && v.Err == nil })
	})
}
