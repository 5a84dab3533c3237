package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// aboutSelf are the query parameters of the calls that machines make for themselves.
var (
	aboutSelf   = []string{"host"}
	aboutDone   = []string{"host", "generation"}
	aboutFailed = []string{"host", "generation", "reason"}
)

func (a *api) showSelf(w http.ResponseWriter, r *http.Request) error {
	return a.callBack(w, r, a.pilot.Self)
}

func (a *api) done(w http.ResponseWriter, r *http.Request) error {
	return a.callBack(w, r, a.pilot.Finish)
}

func (a *api) failed(w http.ResponseWriter, r *http.Request) error {
	log := readLog(r)
	reason := reasonOf(r.URL.Query().Get("reason"), log)
	return a.callBack(w, r, func(ctx context.Context, c pilot.Callback) (*pilot.Self, error) {
		return a.pilot.Fail(ctx, c, reason, log)
	})
}

// byGet is for loaders that can do nothing but GET, such as iPXE. What only looks,
// or fetches for somebody who may never look, does nothing by it.
func byGet(do func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			return statusError{http.StatusMethodNotAllowed, pxepilot.Errorf(pxepilot.Invalid, "%s does something, and is asked by GET only", pxepilot.Quote(r.URL.EscapedPath()))}
		case isBrowser(r):
			return pxepilot.Errorf(pxepilot.Forbidden, "a browser may not do this, for any page could have it do so; ask by curl, wget or iPXE, or by POST")
		}
		return do(w, r)
	}
}

// isBrowser says whether a request comes from a browser. On pages without TLS those
// send no Sec-Fetch-Site; but no page can make them leave out all of these.
func isBrowser(r *http.Request) bool {
	for _, name := range []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Purpose", "Purpose", "Origin", "Referer", "Accept-Language", "Cookie"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return strings.Contains(r.UserAgent(), "Mozilla/")
}

// callBack does what a machine asks for itself, and tells it of itself.
func (a *api) callBack(w http.ResponseWriter, r *http.Request, do func(context.Context, pilot.Callback) (*pilot.Self, error)) error {
	c, err := a.readCallback(r)
	if err != nil {
		return err
	}
	self, err := patiently(w, func() (*pilot.Self, error) {
		// Who has shut down its sending side, as nc does, looks like one that left.
		ctx := context.WithoutCancel(r.Context())
		c.Speaker, c.Anonymous = a.speaker(ctx, r, mostPatience)
		return do(ctx, c)
	})
	if err != nil {
		return err
	}
	w.(*recorder).host = self.Status.Host.Name
	writeJSON(w, http.StatusOK, selfOf(self))
	return nil
}

func (a *api) readCallback(r *http.Request) (pilot.Callback, error) {
	query := r.URL.Query()
	c := pilot.Callback{From: address(r)}
	var err error
	if c.Host, err = filled(query, "host"); err != nil {
		return c, err
	}
	if query.Has("generation") {
		n, ok := positive(query.Get("generation"))
		if !ok {
			return c, pxepilot.Errorf(pxepilot.Invalid, "the query parameter generation is %s; want the number that GET /v1/self tells", pxepilot.Quote(query.Get("generation")))
		}
		c.Generation = uint64(n)
	}
	return c, nil
}

// How long it may take to find out which machine asks: one that speaks of itself, and
// one that deploys, which may be for itself.
const (
	mostPatience  = 10 * time.Second
	shortPatience = 2 * time.Second
)

// speaker is the host at the other end of the connection, or why nobody can tell.
func (a *api) speaker(ctx context.Context, r *http.Request, patience time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mac, err := caller(r.WithContext(ctx))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "", pxepilot.Errorf(pxepilot.Unavailable, "it could not be found out in time which machine asked; say it again, or name the host in the URL (?host=NAME)").Because(err)
	case err != nil:
		return "", err
	}
	h, err := a.pilot.Speaker(mac)
	if err != nil {
		return "", err
	}
	return h.Name, nil
}

// asSpeaker is for a deploy, which may be of a host for itself.
func (a *api) asSpeaker(r *http.Request) func(context.Context) string {
	return func(ctx context.Context) string {
		name, _ := a.speaker(ctx, r, shortPatience)
		return name
	}
}

func selfOf(s *pilot.Self) apiv1.Self {
	told := apiv1.Self{Name: s.Status.Host.Name, Configuration: s.Status.Configuration, State: string(s.Status.State)}
	if s.Armed.Arming != nil {
		told.Generation, told.Then, told.ArmedUntil = s.Armed.Generation, s.Armed.Then, stamp(s.Armed.Until)
	}
	return told
}

// stamp is a moment as the API writes it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// readLog reads the end of a log, however long it is; the server's time limit for
// reading ends it. That an install failed counts more than what is wrong with its log:
// of one that breaks off it is what came.
func readLog(r *http.Request) string {
	var end []byte
	piece := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(piece)
		end = append(end, piece[:n]...)
		if over := len(end) - 2*pxepilot.MaxFailureLog; over > 0 {
			end = append(end[:0], end[over:]...)
		}
		if err != nil {
			return string(end[max(0, len(end)-pxepilot.MaxFailureLog):])
		}
	}
}

// reasonOf is why an install failed: as told, or else the last line of the log.
func reasonOf(told, log string) string {
	if told = strings.TrimSpace(told); told != "" {
		return told
	}
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return line
		}
	}
	return "no reason was given"
}

func (a *api) listArmings(w http.ResponseWriter, r *http.Request) error {
	armed, err := a.pilot.Armed(r.Context())
	if err != nil {
		return err
	}
	answer := apiv1.Armings{Armings: []apiv1.Arming{}}
	for _, host := range armed.Hosts() {
		answer.Armings = append(answer.Armings, arming(host, armed.Of(host)))
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func arming(name string, a pxepilot.Armed) apiv1.Arming {
	told := apiv1.Arming{
		Name: name, Generation: a.Generation, Entry: a.Entry, Configuration: a.Configuration, Then: a.Then, Armed: stamp(a.Armed), Until: stamp(a.Until),
		OnTimeout: string(a.OnTimeout), Suspended: oneLine(a.Suspended),
	}
	if f := a.Failure; f != nil {
		told.Failure = &apiv1.Failure{At: stamp(f.At), Reason: oneLine(f.Reason), Entry: f.Entry}
	}
	if !a.Finished.IsZero() {
		told.Finished = stamp(a.Finished)
	}
	return told
}

func (a *api) disarm(w http.ResponseWriter, r *http.Request) error {
	c, err := readChange(w, r, disarmFields)
	if err != nil {
		return err
	}
	ended, err := a.pilot.Disarm(r.Context(), c.Hosts, asker(r))
	if err != nil {
		return err
	}
	answer := apiv1.Armings{Armings: []apiv1.Arming{}}
	for i := range ended {
		answer.Armings = append(answer.Armings, arming(ended[i].Host, pxepilot.Armed{Arming: &ended[i], Until: ended[i].Deadline.Wall}))
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// appendArmed writes apiv1.Arming as part of a host. Few hosts are armed.
func appendArmed(b []byte, a pxepilot.Armed) []byte { return appendJSON(b, arming("", a)) }
