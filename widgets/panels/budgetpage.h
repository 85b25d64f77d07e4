// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// BudgetPage: the least error within a size - what may be chosen from and by which measure, the budget, the front with
// whole policies beside it, and what was chosen for every part and why. Shows results; emits wishes. GUI thread.
#pragma once

#include "core/search/budgetsearch.h"
#include "widgets/plots/frontplot.h"

#include <QWidget>

#include <array>
#include <memory>

namespace ql {

/// What is to be measured before any budget can be searched.
struct SearchWish {
    SearchMeasure measure = SearchMeasure::Weight;
    std::vector<Scheme> candidates;
    bool embeddings = false;
    friend bool operator==(const SearchWish&, const SearchWish&) = default;
};

class BudgetPage : public QWidget
{
    Q_OBJECT
public:
    explicit BudgetPage(QWidget* parent = nullptr);
    ~BudgetPage() override;

    void setModel(bool open, const QString& caption);
    /// Why each measure cannot be had now; empty where it can.
    void setUnavailable(const std::array<QString, 4>& why);
    void setMeasuring(bool measuring);
    /// What is no longer as it was when the costs were measured ("locks have changed"); empty: nothing. Adopting waits.
    void setStale(const QString& why);
    void setSearch(const Shared<BudgetSearch>& search, const SearchWish& wish); ///< null: none
    void setBudget(quint64 bytes);
    void setFound(const std::optional<Allocation>& found);
    /// Whole policies beside the front; clicking one asks to adopt it.
    void setMarks(const std::vector<FrontPlot::Mark>& marks);
    void setCurrentTensor(int tensor);
    void setSharedByPolicy(bool shared); ///< the policy says so itself

    Result<SearchWish> wish() const; ///< errors of CandidatesForm::candidates
    void setMeasure(SearchMeasure measure);
    bool share() const; ///< q, k and v get one scheme, gate and up another

Q_SIGNALS:
    void measureRequested(const ql::SearchWish& wish);
    void cancelRequested();
    void shareChanged(bool share);
    void budgetChanged(quint64 bytes);
    void adoptRequested();
    void markPicked(int mark);
    void policyWanted(); ///< another file's policy beside the front
    void tensorPicked(int tensor);
    void failed(const ql::Error& error);

protected:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
