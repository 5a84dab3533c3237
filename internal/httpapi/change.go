package httpapi

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// maxBody is the most that a body may have: 100,000 hosts by name and MAC
// address take 6 MB.
const maxBody = 8 << 20

// The fields of the bodies.
var (
	deployFields = fields{
		change: []string{"hosts", "dryRun", "skipRefused", "dropUncovered", "force", "allAtOnce", "verify"},
		host:   []string{"name", "mac_address", "macAddress", "reboot", "then", "within", "onTimeout", "onPowerError", "permanent"},
	}
	clearFields = fields{
		change: []string{"hosts", "dryRun", "skipRefused", "force"},
		host:   []string{"name", "mac_address", "macAddress"},
	}
	repairFields = fields{
		change: []string{"hosts", "all", "dryRun", "skipRefused"},
		host:   clearFields.host,
	}
)

// disarmFields are those of a disarm.
var disarmFields = fields{change: []string{"hosts"}, host: clearFields.host}

// fields are those that a body may have, and each host in it.
type fields struct{ change, host []string }

func (a *api) deploy(w http.ResponseWriter, r *http.Request) error {
	c, err := readChange(w, r, deployFields)
	if err != nil {
		return err
	}
	c.Want, c.Configuration, c.Speaker = pxepilot.Deploy, r.PathValue("name"), a.asSpeaker(r)
	out, err := a.carryOut(w, r, c)
	if err != nil {
		return err
	}
	reboots := slices.ContainsFunc(c.Hosts, func(h pilot.HostRef) bool { return h.Reboot })
	verify := c.Verify != nil && *c.Verify
	switch {
	case prefersRepresentation(r):
		w.Header().Set("Preference-Applied", "return=representation")
	case !c.DryRun && !c.SkipRefused && !reboots && !verify: // else 204 would tell half of it
		if err := shortfall(out); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	a.represent(w, r, c, out)
	return nil
}

// carryOut waits for what a change takes besides the links: what is done after a
// switch, TFTP servers, machines.
func (a *api) carryOut(w http.ResponseWriter, r *http.Request, c pilot.Change) (*pilot.Outcome, error) {
	c.By = asker(r)
	return patiently(w, func() (*pilot.Outcome, error) { return a.pilot.Change(r.Context(), c) })
}

// asker is who asks, as far as the connection tells.
func asker(r *http.Request) pilot.Actor { return pilot.Actor{Name: "api", From: address(r)} }

// represent answers what was done, and logs what of it went wrong.
func (a *api) represent(w http.ResponseWriter, r *http.Request, c pilot.Change, out *pilot.Outcome) {
	a.logShortfalls(w, r, out)
	writeJSON(w, http.StatusOK, outcome(out, c.DryRun))
}

// shortfall is what went wrong once the links were switched, for who asked for no
// outcome and would take silence for success.
func shortfall(out *pilot.Outcome) error {
	if out.AfterSwitch != nil || out.Unrecorded != nil {
		return cmp.Or(out.AfterSwitch, out.Unrecorded)
	}
	for _, h := range out.Hosts {
		if h.Unserved != nil {
			return pxepilot.Errorf(pxepilot.Unavailable, "the links were switched, but host %s would not boot what was deployed: %s",
				pxepilot.Quote(h.Host), pxepilot.ErrorMessage(h.Unserved)).Because(h.Unserved)
		}
	}
	return nil
}

// logShortfalls writes a line for each thing that went wrong once the links were
// switched: the answer is a 200, and the causes go no further.
func (a *api) logShortfalls(w http.ResponseWriter, r *http.Request, out *pilot.Outcome) {
	warn := func(what string, err error, attrs ...any) {
		if err == nil {
			return
		}
		attrs = append(attrs, "error", pxepilot.ErrorMessage(err), "request_id", w.Header().Get("X-Request-Id"))
		if cause := errors.Unwrap(err); cause != nil {
			attrs = append(attrs, "cause", cause)
		}
		a.log.WarnContext(r.Context(), what, attrs...)
	}
	warn("journal", out.Unrecorded)
	warn("after switch", out.AfterSwitch)
	for _, h := range out.Hosts {
		warn("verify", h.Unserved, "host", h.Host)
		if h.Unserved == nil && out.AfterSwitch == nil { // else it follows from that
			warn("reboot", h.Problem, "host", h.Host, "rebooted", h.Rebooted)
		}
	}
}

func (a *api) clear(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, clearFields, pxepilot.Clear)
}

func (a *api) repair(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, repairFields, pxepilot.Repair)
}

func (a *api) change(w http.ResponseWriter, r *http.Request, known fields, want pxepilot.Want) error {
	c, err := readChange(w, r, known)
	if err != nil {
		return err
	}
	c.Want = want
	out, err := a.carryOut(w, r, c)
	if err != nil {
		return err
	}
	a.represent(w, r, c, out)
	return nil
}

func outcome(out *pilot.Outcome, dryRun bool) apiv1.Outcome {
	o := apiv1.Outcome{Hosts: make([]apiv1.HostOutcome, len(out.Hosts)), Problem: oneLine(pxepilot.ErrorMessage(cmp.Or(out.AfterSwitch, out.Unrecorded)))}
	for i, h := range out.Hosts {
		o.Hosts[i] = apiv1.HostOutcome{Name: h.Host, Configuration: h.Configuration, Rebooted: "NO"}
		if h.Refused != nil {
			o.Hosts[i].Refused = oneLine(pxepilot.ErrorMessage(h.Refused))
		}
		if h.Armed != nil {
			a := arming("", pxepilot.Armed{Arming: h.Armed, Until: h.Armed.Deadline.Wall})
			o.Hosts[i].Armed = &a
		}
		o.Hosts[i].Ended = oneShot(h.Ended)
		if h.Problem != nil {
			o.Hosts[i].Rebooted, o.Hosts[i].Problem = "ERROR", oneLine(pxepilot.ErrorMessage(h.Problem))
		}
		if h.Rebooted {
			o.Hosts[i].Rebooted = "YES"
		}
		if h.Verified {
			o.Hosts[i].Served = "YES"
		}
		for _, warning := range h.Warnings {
			o.Hosts[i].Warnings = append(o.Hosts[i].Warnings, oneLine(warning))
		}
		if h.Unserved != nil {
			o.Hosts[i].Served, o.Hosts[i].Unserved = "NO", oneLine(pxepilot.ErrorMessage(h.Unserved))
		}
	}
	if !dryRun {
		return o
	}
	o.Steps = make([]apiv1.Step, len(out.Steps))
	for i, s := range out.Steps {
		o.Steps[i] = apiv1.Step(s)
	}
	return o
}

func readChange(w http.ResponseWriter, r *http.Request, known fields) (pilot.Change, error) {
	text, err := readBody(w, r)
	if err != nil {
		return pilot.Change{}, err
	}
	return decodeChange(text, known)
}

// readBody reads the body. Its Content-Type is not looked at: "curl -T" and
// "curl -d" say something else than JSON, or nothing, and browsers are kept out
// by better means.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := pxepilot.Errorf(pxepilot.TooLarge, "the body is larger than %d MiB; ask for fewer hosts at once", maxBody>>20)
	// MaxBytesReader also has the connection closed where more comes than that.
	body := http.MaxBytesReader(w.(*recorder).ResponseWriter, r.Body, maxBody)
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // and none of it is read
		return nil, tooLarge
	}
	text, err := io.ReadAll(body)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, pxepilot.Errorf(pxepilot.Invalid, "the body broke off").Because(err)
	}
	return text, nil
}

func decodeChange(text []byte, known fields) (pilot.Change, error) {
	var c pilot.Change
	r := &reader{text: text}
	err := r.value(func() error {
		return r.object(known.change, func(field string) (err error) {
			switch field {
			case "hosts":
				c.Hosts, err = decodeHosts(r, known.host)
			case "all":
				c.All, err = r.bool()
			case "dryRun":
				c.DryRun, err = r.bool()
			case "skipRefused":
				c.SkipRefused, err = r.bool()
			case "dropUncovered":
				c.DropUncovered, err = r.bool()
			case "force":
				c.Force, err = r.bool()
			case "allAtOnce":
				c.AllAtOnce, err = r.bool()
			case "verify":
				c.Verify = new(bool)
				*c.Verify, err = r.bool()
			}
			return err
		})
	})
	if err != nil {
		return pilot.Change{}, err
	}
	return c, nil
}

func decodeHosts(r *reader, known []string) ([]pilot.HostRef, error) {
	var hosts []pilot.HostRef
	err := r.array(func() error {
		var ref pilot.HostRef
		var macToo, onTimeout, onPowerError string
		err := r.object(known, func(field string) (err error) {
			switch field {
			case "name":
				ref.Name, err = r.string()
			case "mac_address":
				ref.MAC, err = r.string()
			case "macAddress":
				macToo, err = r.string()
			case "reboot":
				ref.Reboot, err = r.bool()
			case "then":
				ref.Once.Then, err = r.filled()
			case "within":
				ref.Once.Within, err = r.duration()
			case "onTimeout":
				onTimeout, err = r.filled()
				ref.Once.OnTimeout = pxepilot.OnTimeout(onTimeout)
			case "onPowerError":
				onPowerError, err = r.filled()
				ref.Once.OnPowerError = pilot.OnPowerError(onPowerError)
			case "permanent":
				ref.Once.Permanent, err = r.bool()
			}
			return err
		})
		if err != nil {
			return err
		}
		if ref.MAC == "" {
			ref.MAC = macToo
		}
		if macToo != "" && !sameMAC(ref.MAC, macToo) {
			return pxepilot.Errorf(pxepilot.Conflict, "%s: mac_address and macAddress mean the same, but are %s and %s; leave one out",
				r.where(), pxepilot.Quote(ref.MAC), pxepilot.Quote(macToo))
		}
		hosts = append(hosts, ref)
		return nil
	})
	return hosts, err
}

// sameMAC compares addresses in any spelling, and texts that are none as such.
func sameMAC(a, b string) bool {
	if a == b {
		return true
	}
	ma, errA := pxepilot.ParseMAC(a)
	mb, errB := pxepilot.ParseMAC(b)
	return errA == nil && errB == nil && ma == mb
}

// prefersRepresentation reads the Prefer header (RFC 7240): preferences
// separated by commas, in any case, the first one of a name counts.
func prefersRepresentation(r *http.Request) bool {
	for _, preference := range strings.Split(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";") // its parameters
		name, value, _ := strings.Cut(preference, "=")
		if strings.EqualFold(strings.TrimSpace(name), "return") {
			return strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "representation")
		}
	}
	return false
}
