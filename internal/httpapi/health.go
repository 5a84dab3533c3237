package httpapi

import (
	"net/http"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// checkHealth fails only where the server cannot do its work: a monitor that
// restarts it for a typing error in the file would only make that worse.
func (a *api) checkHealth(w http.ResponseWriter, r *http.Request) error {
	if h := a.pilot.Health(r.Context()); h.Root != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root cannot be read: %s", pxepilot.ErrorMessage(h.Root)).Because(h.Root)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) showHealth(w http.ResponseWriter, r *http.Request) error {
	h := a.pilot.Health(r.Context())
	answer := apiv1.Health{Status: "ok"}
	if h.Reload != nil {
		// What is wrong with the file is written for people, whatever its type.
		answer.Status, answer.Reload = "degraded", oneLine(h.Reload.Error())
	}
	if h.Root != nil {
		answer.Status, answer.Root = "failing", oneLine(pxepilot.ErrorMessage(h.Root))
		a.log.ErrorContext(r.Context(), "the TFTP root cannot be read", "error", h.Root, "request_id", w.Header().Get("X-Request-Id"))
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
