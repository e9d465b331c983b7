"""The errors with which the guards of the database refuse a statement."""

import asyncpg

REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.RestrictViolationError,
    asyncpg.CheckViolationError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidParameterValueError,
)
