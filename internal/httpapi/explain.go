package httpapi

import (
	"net/http"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (a *api) explainHost(w http.ResponseWriter, r *http.Request) error {
	verify, err := flag(r, "verify", false)
	if err != nil {
		return err
	}
	e, err := patiently(w, func() (*pxepilot.Explanation, error) {
		return a.pilot.Explain(r.Context(), r.PathValue("name"), verify)
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, explanation(e))
	return nil
}

func explanation(e *pxepilot.Explanation) apiv1.Explanation {
	told := apiv1.Explanation{Name: e.Status.Host.Name, State: string(e.Status.State), AsDeployed: e.AsDeployed(), Searches: make([]apiv1.Search, len(e.Searches))}
	if e.Status.State == pxepilot.Configured {
		told.Configuration = &apiv1.ConfigurationRef{Name: e.Status.Configuration}
	}
	for i := range e.Searches {
		told.Searches[i] = search(&e.Searches[i])
	}
	return told
}

func search(s *pxepilot.Search) apiv1.Search {
	told := apiv1.Search{
		Bootloader: s.Bootloader, MACAddress: s.MAC.String(), Source: s.Source, Asks: make([]apiv1.Ask, len(s.Asks)),
		Wins: pathAt(s.Asks, s.Wins), Unsure: s.Unsure, Configuration: s.Configuration, Content: s.Content,
		Reasons: lines(s.Reasons), Warnings: lines(s.Warnings),
	}
	if s.Setup != nil {
		told.Setup = &apiv1.Setup{Path: s.Setup.Path, Text: s.Setup.Text, Done: s.Setup.Done}
	}
	if s.InChroot != s.Wins {
		path := pathAt(s.Asks, s.InChroot)
		told.InChroot = &path
	}
	for i, ask := range s.Asks {
		told.Asks[i] = apiv1.Ask{
			Paths: append([]string{}, ask.Paths...), By: string(ask.By), Asked: s.Wins < 0 || i <= s.Wins,
			Unknown: ask.Unknown, Pattern: ask.Pattern, Found: string(ask.Found), Path: ask.Path, Through: ask.Through,
			Configuration: ask.Configuration, Note: oneLine(ask.Note),
		}
	}
	for _, v := range s.Servers {
		told.Servers = append(told.Servers, apiv1.Verification{
			Server: v.Server, Served: v.Served, Got: oneLine(v.Got), Asked: v.Asked, Problem: oneLine(pxepilot.ErrorMessage(v.Err)),
		})
	}
	return told
}

// pathAt is what is there at a step of a search, which is none below 0.
func pathAt(asks []pxepilot.Ask, step int) string {
	if step < 0 {
		return ""
	}
	return asks[step].Path
}

// lines keeps each of some messages on one line.
func lines(messages []string) []string {
	var told []string
	for _, m := range messages {
		told = append(told, oneLine(m))
	}
	return told
}
