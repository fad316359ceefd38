"""Templates → objects with origins. The only importer of jinja2."""

from ringfence.render.renderer import Fragment, Renderer, fitting, held_back, ungiven, yields

__all__ = ["Fragment", "Renderer", "fitting", "held_back", "ungiven", "yields"]
