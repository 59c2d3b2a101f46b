"""The D1 tables of A/B tests: the guide's, and d1lab's own with the same keys."""

from __future__ import annotations

from d1lab.table_declaration import Column, Table, columns_of

AB_TESTS = (
    Table(
        "ab_test_results",
        key=("test_id",),
        columns=(
            *columns_of(
                text="test_id shop test_name",
                json="variant_a_config variant_b_config",
                integer="variant_a_conversions variant_b_conversions",
                money="variant_a_revenue variant_b_revenue",
                timestamp="started_at ended_at",
            ),
            Column("confidence_level", "real", "analysis", "DECIMAL(5,2)"),
            Column("winner", "text", "analysis"),
        ),
        is_guides=True,
    ),
    Table(
        "d1lab_ab_test_inputs",
        key=("test_id",),
        columns=columns_of(
            text="test_id shop primary_metric method unit source",
            json="guardrails",
            integer="variant_a_visitors variant_b_visitors planned_visitors planned_looks",
            money="variant_a_discount_cost variant_b_discount_cost variant_a_profit"
            " variant_b_profit",
            real="variant_a_revenue_squares variant_b_revenue_squares variant_a_profit_squares"
            " variant_b_profit_squares share_b alpha",
            timestamp="planned_end share_declared_at",
        ),
    ),
    Table(
        "d1lab_ab_test_arms",
        ("test_id", "variant"),
        columns_of(text="test_id variant shop", integer="visitors conversions")
        + columns_of(money="revenue profit", real="share revenue_squares profit_squares"),
    ),
    Table(
        "d1lab_ab_test_decisions",
        key=("test_id",),
        columns=columns_of(text="test_id")
        + columns_of(
            "analysis",
            real="analysis_p_value chance_b_better",
            text="analysis_status analysis_reason analysis_method analysis_version",
            integer="analysis_look",
        ),
        write="upsert",
    ),
    Table(
        "d1lab_ab_test_plans",
        key=("test_id",),
        columns=columns_of(text="test_id")
        + columns_of("analysis", integer="plan_days plan_orders_before plan_tuned_conversions"),
        write="upsert",
    ),
    Table(
        "ab_test_daily",
        key=("test_id", "day", "variant"),
        columns=columns_of(
            text="test_id shop variant",
            date="day",
            integer="visitors conversions",
            money="revenue discount_cost profit",
            real="revenue_squares profit_squares covariate covariate_squares covariate_revenue"
            " covariate_profit",
        ),
        reread_days=7,
        day="day",
    ),
)
"""Part of the catalog."""
