// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// EvaluatePage: the model under the policy against the model as it is - figures with their standard errors, curves over
// the context, and which layer the divergence comes from. Shows finished results; emits wishes.
#pragma once

#include "core/evaluation/evaluation.h"

#include <QWidget>

#include <memory>

namespace ql {

class EvaluatePage : public QWidget
{
    Q_OBJECT
public:
    explicit EvaluatePage(QWidget* parent = nullptr);
    ~EvaluatePage() override;

    void setModel(bool open, const QString& cannotRun);
    void setDefaults(const SequenceSettings& defaults, int64_t context);
    void setRunning(bool evaluating, bool attributing);
    void setEvaluation(const Shared<Evaluation>& evaluation); ///< null: none
    void setAttribution(const Shared<Attribution>& attribution);
    /// The policy is no longer the one that was evaluated; the figures stay, marked.
    void setStale(bool evaluation, bool attribution);
    void setCaption(const QString& caption);
    void setCurrentTensor(int tensor);
    SequenceSettings sequences() const;
    void showAttribution(); ///< the bars in front

Q_SIGNALS:
    void evaluateRequested(const ql::SequenceSettings& sequences);
    void attributionRequested(const ql::SequenceSettings& sequences);
    void cancelRequested();
    void tensorPicked(int tensor);

protected:
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
