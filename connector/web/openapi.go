package web

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

// openAPI describes the public listener. TestOpenAPI holds it to the routes and to what the handlers take and answer.
//
//go:embed openapi.yaml
var openAPI []byte

// openapi serves the description of this listener. It is the same for everybody, so it may be cached.
func (s *Server) openapi(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "application/yaml", openAPI)
}
