"""The screens of the staff: sign-in, cashier, shift, finance, administration, displays and print views.

Handlers parse a request, call one service and render a template; they decide nothing and compute no money. Source:
docs/ux.md; docs/design.md §3.8.
"""
