package pilot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pxe-pilot/pxe-pilot"
)

// A TFTPServer is one that machines boot from.
type TFTPServer interface {
	// Address is where it is, with the port.
	Address() string
	// Fetch reads a file by its path below the root, named as a loader does. Where the
	// server says that it does not give it, the code of the error is NotFound,
	// Forbidden, or Unprocessable for any other reason, and its message is what the
	// server said; where there is more of it than limit bytes, it is TooLarge. Any
	// other error says why the server could not be asked.
	Fetch(ctx context.Context, path string, naming pxepilot.Naming, limit int64) ([]byte, error)
}

const (
	// together is how many files are fetched from one server at a time. dnsmasq
	// leaves out what is more than 50 (--tftp-max).
	together = 16
	// mostCompared is the most that is fetched of one file. Configurations are
	// small; the firmware of a Raspberry Pi has 3 MB.
	mostCompared = 16 << 20
	// mostStrange is the most that is fetched of a file that should not come.
	mostStrange = 1 << 20
)

// ask asks all servers for what the hosts ask for, and notes what they gave.
func ask(ctx context.Context, polls []*poll, explained []pxepilot.Explanation) {
	var searches []*pxepilot.Search
	for i := range explained {
		e := &explained[i]
		e.Searches = slices.Clone(e.Searches) // whoever explained may keep them
		for j := range e.Searches {
			searches = append(searches, &e.Searches[j])
		}
	}
	askFor(ctx, polls, searches)
	hope(ctx, polls, explained)
}

// askFor asks all servers for what machines ask for in searches.
func askFor(ctx context.Context, polls []*poll, searches []*pxepilot.Search) {
	for _, s := range searches {
		s.Servers = make([]pxepilot.Verification, len(polls))
	}
	var wg sync.WaitGroup
	for i, p := range polls {
		wg.Go(func() {
			p.each(searches, func(s *pxepilot.Search) { s.Servers[i] = p.verify(ctx, s) })
		})
	}
	wg.Wait()
}

// A poll asks one server. Once that is known not to answer, it is not asked any
// more.
type poll struct {
	server TFTPServer
	files  Files

	mu       sync.Mutex
	answered bool
	silent   int   // how often it did not answer since it last did
	gone     error // why it is not asked any more
}

// each does something for all searches: for the first one alone, which shows
// whether the server answers, then for some at a time.
func (p *poll) each(searches []*pxepilot.Search, do func(*pxepilot.Search)) {
	if len(searches) == 0 {
		return
	}
	do(searches[0])
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(together, len(searches)-1) {
		wg.Go(func() {
			for i := next.Add(1); int(i) < len(searches); i = next.Add(1) {
				do(searches[i])
			}
		})
	}
	wg.Wait()
}

// verify says whether a server gives what the disk says that a machine gets.
func (p *poll) verify(ctx context.Context, s *pxepilot.Search) pxepilot.Verification {
	v := p.follow(ctx, s)
	if !v.Served && ctx.Err() != nil {
		v.Got, v.Err = "", p.cutOff(ctx)
	}
	return v
}

// follow does what a machine does: it asks for one name after the other until one
// is there. Names that are not known are left out: nobody knows whether the
// machine asks for any that exist, and the warnings of the search say so.
func (p *poll) follow(ctx context.Context, s *pxepilot.Search) pxepilot.Verification {
	v := pxepilot.Verification{Server: p.server.Address()}
	goal, err := &wanted{}, error(nil)
	if s.Wins >= 0 {
		goal, err = p.wanted(ctx, s.Asks[s.Wins].Path, s.Asks[s.Wins].Found)
	}
	for _, a := range s.Asks {
		want, leads := goal, a.By == pxepilot.ByScript
		if leads && err == nil { // it goes on to the next, if it is the script that the disk has
			want, err = p.wanted(ctx, a.Path, a.Found)
		}
		if err != nil {
			v.Got = "what cannot be compared with the disk: " + pxepilot.ErrorMessage(err)
			return v
		}
		if a.Unknown {
			continue
		}
		var came *gift
		for _, path := range a.Paths {
			v.Asked = append(v.Asked, path)
			if came, err = p.ask(ctx, path, s.Naming, want); came != nil || err != nil {
				break
			}
		}
		switch {
		case err != nil:
			v.Err = err
			return v
		case came == nil && leads && want.path != "":
			v.Got = "nothing: " + want.why()
			return v
		case came == nil:
		case a.Found == pxepilot.Empty && len(came.content) == 0 && !came.more: // as good as none
		case !want.is(came):
			v.Got = want.compare(came, a.Found)
			return v
		case !leads:
			v.Got, v.Err = p.compareParts(ctx, s, a.Parts)
			v.Served = v.Got == "" && v.Err == nil
			return v
		}
	}
	if v.Served = goal.path == ""; !v.Served {
		v.Got = "nothing: " + goal.why()
	}
	return v
}

// compareParts says what a server gives in place of a file that goes with what a
// machine gets; empty where it gives all of them.
func (p *poll) compareParts(ctx context.Context, s *pxepilot.Search, parts []string) (got string, err error) {
	for _, path := range parts {
		want, err := p.wanted(ctx, path, pxepilot.Readable)
		if err != nil {
			return "what cannot be compared with the disk: " + pxepilot.ErrorMessage(err), nil
		}
		switch came, err := p.ask(ctx, path, s.Naming, want); {
		case err != nil:
			return "", err
		case came == nil:
			return "not all that goes with it: " + want.why(), nil
		case !want.is(came):
			return want.compare(came, pxepilot.Readable), nil
		}
	}
	return "", nil
}

// ask asks for one name, and returns what came; nil where the server does not give
// it.
func (p *poll) ask(ctx context.Context, path string, naming pxepilot.Naming, want *wanted) (*gift, error) {
	content, err := p.fetch(ctx, path, naming, want.limit(path))
	switch code := pxepilot.ErrorCode(err); code {
	case "", pxepilot.TooLarge:
		return &gift{path, content, code != ""}, nil
	case pxepilot.NotFound:
		want.missed(path, path+" is not found there")
	case pxepilot.Forbidden, pxepilot.Unprocessable:
		want.missed(path, path+": "+pxepilot.ErrorMessage(err))
	default:
		return nil, err
	}
	return nil, nil
}

// fetch fetches a file, unless it is known that the server does not answer: at
// once where it never did, and else when it did not for a while.
func (p *poll) fetch(ctx context.Context, path string, naming pxepilot.Naming, limit int64) ([]byte, error) {
	p.mu.Lock()
	gone := p.gone
	p.mu.Unlock()
	if gone != nil {
		return nil, gone
	}
	content, err := p.server.Fetch(ctx, path, naming, limit)
	if ctx.Err() != nil {
		return nil, p.cutOff(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch pxepilot.ErrorCode(err) {
	case "", pxepilot.TooLarge, pxepilot.NotFound, pxepilot.Forbidden, pxepilot.Unprocessable:
		p.answered, p.silent = true, 0
	default:
		if p.silent++; !p.answered || p.silent >= together {
			p.gone = err
		}
	}
	return content, err
}

// cutOff says why a server was not asked to the end.
func (p *poll) cutOff(ctx context.Context) error {
	why := " before the time for it was over"
	if errors.Is(ctx.Err(), context.Canceled) {
		why = ", for the request was given up"
	}
	return pxepilot.Errorf(pxepilot.Unavailable, "%s was not asked for everything%s", p.server.Address(), why).Because(ctx.Err())
}

// A wanted file is what an ask, or all of a search, comes to on the disk.
type wanted struct {
	path    string // empty where it comes to nothing
	content []byte
	found   pxepilot.Found
	refusal string // what the server said of it
}

// wanted reads what the disk has for a path. Whether it is closed to others is for
// the server to say.
func (p *poll) wanted(ctx context.Context, path string, found pxepilot.Found) (*wanted, error) {
	w := &wanted{path: path, found: found}
	if !found.IsThere() && found != pxepilot.Unreadable {
		return &wanted{}, nil
	}
	var err error
	w.content, err = p.read(ctx, path)
	return w, err
}

// read reads a file of the disk.
func (p *poll) read(ctx context.Context, path string) ([]byte, error) {
	f, err := p.files.OpenClosed(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostCompared+1))
	switch {
	case err != nil:
		return nil, pxepilot.Errorf(pxepilot.Unavailable, "%s cannot be read: %v", path, err)
	case len(content) > mostCompared:
		return nil, pxepilot.Errorf(pxepilot.TooLarge, "%s has more than %d MiB", path, mostCompared>>20)
	}
	return content, nil
}

// limit is how much of a file is of interest.
func (w *wanted) limit(path string) int64 {
	if path == w.path {
		return int64(len(w.content))
	}
	return mostStrange
}

// missed notes that the server does not give the wanted file, and why.
func (w *wanted) missed(path, why string) {
	if path == w.path {
		w.refusal = why
	}
}

// A gift is what a server gave.
type gift struct {
	path    string
	content []byte
	more    bool // than was of interest; then there is no content
}

func (w *wanted) is(g *gift) bool {
	return g.path == w.path && !g.more && bytes.Equal(g.content, w.content)
}

// compare says in words what came in place of what was wanted, as the answer to
// one ask.
func (w *wanted) compare(g *gift, found pxepilot.Found) string {
	size := fmt.Sprintf("%d bytes", len(g.content))
	if g.more {
		size = fmt.Sprintf("more than %d bytes", w.limit(g.path))
	}
	switch {
	case g.path == w.path:
		how := fmt.Sprintf("%s in place of %d", size, len(w.content))
		if len(g.content) == len(w.content) && !g.more {
			how = size + ", but not the same"
		}
		return fmt.Sprintf("other content of %s than the disk has (%s); is the server's copy behind, or its directory another one?", w.path, how)
	case w.path == "":
		return fmt.Sprintf("%s, %s, where the disk has nothing for it; does the server serve another directory?", g.path, size)
	case w.refusal != "":
		return fmt.Sprintf("%s, %s, in place of %s: %s", g.path, size, w.path, w.why())
	}
	return fmt.Sprintf("%s, %s, in place of %s: it comes first, and on the disk it is %s; does the server serve another directory?", g.path, size, w.path, found)
}

// why says why the server does not give what was wanted, as it told, and what to
// look at.
func (w *wanted) why() string {
	if w.found == pxepilot.Unchrooted {
		return w.refusal + ", as by every server that is locked into its root, for the link is absolute or leaves the root; make it relative by 'pxe-pilot host repair'"
	}
	return w.refusal + "; look at the directory that the server serves, whether it is up to date, and at its permissions (with SELinux, at its labels)"
}
