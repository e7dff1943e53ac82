package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// parked lists what needs a person, as the query's reason, ehr, owner and older pick it.
func (k *control) parked(c echo.Context) error {
	s := deliver.Selection{Reason: connector.Reason(c.QueryParam("reason")), EHR: c.QueryParam("ehr"), Owner: c.QueryParam("owner")}
	if text := c.QueryParam("older"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return problem(http.StatusBadRequest, "body", "older is a duration such as 30m or 4h.")
		}
		s.Older = d
	}
	var list []deliver.TracedItem
	err := k.Store.View(c.Request().Context(), func(tx connector.Tx) (err error) {
		list, err = deliver.Parked(tx, s, k.EHRs, k.Clock.Now())
		return err
	})
	if err != nil {
		return unpicked(err)
	}
	return c.JSON(http.StatusOK, list)
}

// decide shows what an action would come to for the parked items it selects, and with yes does it.
func (k *control) decide(c echo.Context) error {
	var ask deliver.Ask
	dec := json.NewDecoder(c.Request().Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ask); err != nil {
		return problem(http.StatusBadRequest, "body", "The request cannot be read.")
	}
	ask.Agent = agent(c)
	answer, err := k.Engine.Decide(c.Request().Context(), ask)
	if err != nil {
		return unpicked(err)
	}
	return c.JSON(http.StatusOK, answer)
}

// relink shows what linking a thread to a patient would come to, and with yes does it.
func (k *control) relink(c echo.Context) error {
	var ask deliver.RelinkAsk
	dec := json.NewDecoder(c.Request().Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ask); err != nil {
		return problem(http.StatusBadRequest, "body", "The request cannot be read.")
	}
	ask.Agent = agent(c)
	answer, err := k.Engine.Relink(c.Request().Context(), ask)
	switch {
	case errors.Is(err, connector.ErrNotFound):
		return problem(http.StatusNotFound, "thread", "Nothing is known by this id. A thread's is needed; chartwire trace finds it by that of a message.")
	case errors.Is(err, deliver.ErrNotThisWay):
		return problem(http.StatusConflict, "thread", err.Error())
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// unpicked answers a selection that names what is not there. The errors hold ids of ours and names of the configuration.
func unpicked(err error) error {
	switch {
	case errors.Is(err, connector.ErrNotFound):
		return problem(http.StatusNotFound, "address", "There is no item with this id, or no EHR connection with this name: "+err.Error()+".")
	case errors.Is(err, deliver.ErrNotParked), errors.Is(err, deliver.ErrNotThisWay):
		return problem(http.StatusConflict, "address", err.Error())
	}
	return err
}
