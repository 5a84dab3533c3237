package httpapi

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// patiently does what takes as long as machines take, and gives the answer the
// time that answers have from then on. Without, an HTTP/2 stream is reset when the
// time of the server's is over, be there something to write or not. (The limit for
// reading ends with the body.)
func patiently[T any](w http.ResponseWriter, work func() (T, error)) (T, error) {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Time{}) // fails where there is no connection, and no limit either
	defer func() { _ = c.SetWriteDeadline(time.Now().Add(writeTimeout)) }()
	return work()
}

func (a *api) showPower(w http.ResponseWriter, r *http.Request) error {
	s, err := patiently(w, func() (*pilot.PowerStatus, error) { return a.pilot.Power(r.Context(), r.PathValue("name")) })
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, apiv1.Power{Name: s.Host, PowerState: string(s.State), Address: s.Address})
	return nil
}

// drive makes the handler of a verb. Its query tells what to boot from next.
func (a *api) drive(verb pilot.Verb) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		query := r.URL.Query()
		o := pilot.Order{Do: verb, Next: pxepilot.BootDevice(query.Get("next"))}
		if query.Has("next") && o.Next == "" {
			return pxepilot.Errorf(pxepilot.Invalid, "the query parameter next is empty; want pxe, disk or bios, or leave it out")
		}
		return a.order(w, r, o)
	}
}

func (a *api) turnOff(w http.ResponseWriter, r *http.Request) error {
	soft, err := flag(r, "soft", false)
	if err != nil {
		return err
	}
	if soft {
		return a.order(w, r, pilot.Order{Do: pilot.SoftOff})
	}
	return a.order(w, r, pilot.Order{Do: pilot.TurnOff})
}

func (a *api) order(w http.ResponseWriter, r *http.Request, o pilot.Order) error {
	if err := readNothing(w, r); err != nil {
		return err
	}
	accepted, err := patiently(w, func() (bool, error) { return a.pilot.Drive(r.Context(), r.PathValue("name"), o) })
	if err != nil {
		return err
	}
	if accepted {
		w.Header().Set(apiv1.PowerResult, apiv1.ResultAccepted)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) discover(w http.ResponseWriter, r *http.Request) error {
	rate, err := readRate(r)
	if err != nil {
		return err
	}
	if err := readNothing(w, r); err != nil {
		return err
	}
	found, err := patiently(w, func() (*pilot.Discovery, error) { return a.pilot.Discover(r.Context(), rate) })
	switch {
	case err != nil:
		return err
	case prefersRepresentation(r):
		w.Header().Set("Preference-Applied", "return=representation")
		writeJSON(w, http.StatusOK, discovery(found))
		return nil
	case found.Err() != nil:
		return found.Err()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func discovery(found *pilot.Discovery) apiv1.Discovery {
	d := apiv1.Discovery{Subnets: make([]apiv1.SubnetSweep, len(found.Subnets))}
	for i, s := range found.Subnets {
		told := apiv1.SubnetSweep{
			Subnet: s.Subnet.String(), Method: s.Method, Asked: s.Asked, Answered: s.Answered,
			Found: []apiv1.FoundBMC{}, Missing: []apiv1.MissingBMC{}, Duplicates: []string{},
			Seconds: math.Round(s.Elapsed.Seconds()*1000) / 1000, Note: oneLine(s.Note), Problem: oneLine(s.Problem),
		}
		for _, f := range s.Found {
			told.Found = append(told.Found, apiv1.FoundBMC{
				MACAddress: f.MAC.String(), Address: f.Address.String(), Hosts: append([]string{}, found.Hosts[f.MAC]...),
			})
		}
		for _, m := range s.Missing {
			told.Missing = append(told.Missing, apiv1.MissingBMC{MACAddress: m.String(), Hosts: append([]string{}, found.Hosts[m]...)})
		}
		for _, what := range s.Duplicates {
			told.Duplicates = append(told.Duplicates, oneLine(what))
		}
		d.Subnets[i] = told
	}
	return d
}

func (a *api) showDiscovery(w http.ResponseWriter, _ *http.Request) error {
	at, running := a.pilot.Sweeping()
	writeJSON(w, http.StatusOK, apiv1.DiscoveryProgress{Running: running, Asked: at.Asked, Of: at.Of, Found: at.Found, Wanted: at.Wanted})
	return nil
}

// readRate reads how many packets a second may be sent; 0 where it is not told.
func readRate(r *http.Request) (int, error) {
	query := r.URL.Query()
	if !query.Has("rate") {
		return 0, nil
	}
	text := query.Get("rate")
	rate, err := strconv.Atoi(text)
	if err != nil || strings.Trim(text, "0123456789") != "" || rate < 1 || rate > pilot.MaxRate {
		return 0, pxepilot.Errorf(pxepilot.Invalid, "the query parameter rate is %s; want a number of packets a second, 1 to %d", pxepilot.Quote(text), pilot.MaxRate)
	}
	return rate, nil
}

// readNothing reads the body of a request that has none. What stands in one
// would be without effect, so that it is refused; "{}" is what some clients send
// for nothing.
func readNothing(w http.ResponseWriter, r *http.Request) error {
	text, err := readBody(w, r)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	body := &reader{text: text}
	return body.value(func() error {
		return body.object(nil, func(string) error { return nil })
	})
}

// flag reads a query parameter that is true or false.
func flag(r *http.Request, name string, otherwise bool) (bool, error) {
	query := r.URL.Query()
	switch text := query.Get(name); {
	case !query.Has(name):
		return otherwise, nil
	case text == "true", text == "false":
		return text == "true", nil
	default:
		return false, pxepilot.Errorf(pxepilot.Invalid, "the query parameter %s is %s; want true or false", name, pxepilot.Quote(text))
	}
}
